/** The window and the table of Buzhash (§4.2). */

/** Bytes that a digest looks back (§4.2). */
export const WINDOW = 48

// §4.2: the first 1,024 bytes of the extended output for the label, as base64.
const TABLE_BASE64 = [
  'ZY5Mgs7WhdcxNAKCqtP9c8P0YnPGRL9z48/ovHLeqehBlFOi3shJP/8pPLxT1dC0Et9HmukcBgsVuzdvjgHof5r5MgQGptVS',
  'tHKYUbmjslCiTKQt5OyFxVQ/N+btdaZYl7pU6m6ZbiQHBi+O9tY5rcQN1iOOEQuuK+bMANW7AWVT7hVy728Gy9+Vi5+/AQ0w',
  'D6yaCpyIRXCbrJh4k6no56dvlVg7A+1TK0Qx8cRJl6fpTuRBvvVz6PPOE5o9jfO+jwBVZkDZ/oHxQxDVNPDOUhpTaWwDF5jH',
  'PKUt1HmSMzYz/D1A1KKCD8rqgZXdYQqL2ZolGPnitw5suPLBTvdPcFBkHeqssFXB1WtGjcKhLTqh/6jrRaDCs/58eHdBl50U',
  'BcYcArpIgGE8LIve6gOSZ05JIFNGKV8b0IEGCo2sS54nj4q+QTv618+sHyg1vR+pFY0YqBeis33NiLERO9juryDRwN7RxsjB',
  'w2HxWHdIF2TMf2GWcB7HBV3SnvroyMnMX93rOJ+70hFG1HuhB6xb0GVOTzWiGRWP7gaQ2slj6HwTDtYnUMtqkcJwEpPVx/cZ',
  'FCnhV+wjWavZizHyHm9NeF9G76c9150e1RU7yi9MxfE3UontJ+g0qE5Dkn+DD+CbOgqSLDv2tQtltr0tbHY/xocOOz+rbir3',
  'svhs3OVZBFP6z68cBfsAsOd7oN6I2EfOVn5MBlKddcHGuvIwvuOVSBKhyLAFQhskedV1uXHcSznSUWPEhsn/d4DuKqV+0rqK',
  '30mh5Z3nMs60fiVsYq8k1kfCD6B5cl0MvtRgp41Q1U4KyYlNzVY4qPvHWyUt4c71mzYP1mvJ5pOANlo5b6DG2fLn8vlTxB93',
  'tn6aIV+MRvdZVYx/qsp3XWhB/WbtcP5RWDCmBf16aa0BSW/D/bILh+oXC+Jnunr4g8M74euTZhX8uQTJH9xeDBuZVi+Bmacs',
  'C8YV5h7mGEiWIqTh4cOKQBGaPsxfvUrd+/2q1M0C56zcey8bRtzccHbQtDvDIJQtmMWSidYuZcoIY5dMG5axWkBNvyUh628s',
  'Khxk11f5QxoJRKD9lbejeiG4zPnvqfTg9WSoFsplvdReABzQL/XVhHrVkiurmNtfqZkz5Wq1QaPiE7pviSvi97I/IMRM0aNg',
  'n2ILSMFOcvcoVGHLpVidi1r8jMCwgV3K6h07q4S1SUNijwib/5WT/wHD4rbcLsySEHEui80964OiUaktLqXVUwt/yuBNEh17',
  'yb3Amp8L4QOOtDIWcDHL2ynpVfhggX5E5tyU++rUR07mg7rki3eM9aQYEV87dX7eI2iuxHgUF6TFXpW+sV0euIWAEhNFv9y7',
  'My7wSb64W9+qqEzAo/0ANg==',
].join('')

/** The table T of §4.2: 256 u32. */
export const TABLE = readTable()

/** T as signed words: loops over unsigned ones are a third slower (Node 20). */
export const ENTERING = Int32Array.from(TABLE)
/** T, each word rotated as it is when it leaves the window. */
export const LEAVING = ENTERING.map((word) => rotate(word, WINDOW % 32))

function readTable(): Uint32Array {
  const bytes = Buffer.from(TABLE_BASE64, 'base64')
  return Uint32Array.from({ length: 256 }, (_, i) => bytes.readUInt32LE(4 * i))
}

export function rotate(word: number, by: number): number {
  return word << by | word >>> (32 - by)
}
