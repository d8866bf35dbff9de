// An HTTP/2 server that answers a gRPC call with headers and then nothing, and prints a line for every PING it gets. Prints its port
// first; ends when its input does.
'use strict';
const http2 = require('http2');

const server = http2.createServer();
server.on('session', (session) => session.on('ping', () => console.log(JSON.stringify({ ping: true }))));
server.on('stream', (stream) => {
  stream.on('error', () => {});
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' });
});
server.listen(0, '127.0.0.1', () => console.log(JSON.stringify({ port: server.address().port })));
process.stdin.resume().on('end', () => process.exit(0));
