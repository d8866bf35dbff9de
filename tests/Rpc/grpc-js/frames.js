// Makes one gRPC request by hand over Node's HTTP/2 and prints, as one line of JSON, which frames came back with which flags.
// Arguments: PORT PATH BODY(base64) [open [TIMEOUT]]: with "open" the request is not ended.
'use strict';
const http2 = require('http2');

const END_STREAM = 1;
const [port, path, body, open, timeout] = process.argv.slice(2);
const session = http2.connect(`http://127.0.0.1:${port}`);
const headers = { ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers' };
if (timeout) headers['grpc-timeout'] = timeout;
const stream = session.request(headers);
const result = { data: 0 };
stream.on('response', (headers, flags) => {
  result.headers = headers;
  result.endedByHeaders = (flags & END_STREAM) !== 0;
});
stream.on('data', (chunk) => { result.data += chunk.length; });
stream.on('trailers', (trailers, flags) => {
  result.trailers = trailers;
  result.endedByTrailers = (flags & END_STREAM) !== 0;
});
stream.on('error', () => {});
stream.on('close', () => {
  result.resetCode = stream.rstCode;
  console.log(JSON.stringify(result));
  session.destroy();
});
if (open) stream.write(Buffer.from(body, 'base64'));
else stream.end(Buffer.from(body, 'base64'));
