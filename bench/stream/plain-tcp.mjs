/** What `warp send -` and `warp receive -` are held against: `receive`, `send PORT` or `echo`, without anything but TCP. */
import net from 'node:net'

const [mode, port] = process.argv.slice(2)
if (mode === 'send') {
  process.stdin.pipe(net.connect({ port: Number(port), host: '127.0.0.1', noDelay: true }))
} else {
  const server = net.createServer({ noDelay: true }, (socket) => {
    server.close()
    socket.pipe(mode === 'echo' ? socket : process.stdout)
  })
  server.listen(0, '127.0.0.1', () => console.error(server.address().port))
}
