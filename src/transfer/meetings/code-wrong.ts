import { WarpError } from '../../base/errors.ts'

/** The one guess that a code is good for was wrong, or may have been made. */
export function codeWrong(cause?: unknown): WarpError {
  return new WarpError('ERR_WARP_CODE_WRONG', 'a wrong code was tried, so that this one is used up', {
    cause, hint: 'start again, with the new code that is then made; if nobody mistyped it, somebody on the network has guessed',
  })
}
