// An Echo server on the implementation of the gRPC project for Node.js. Prints its port; ends when its input does.
// Arguments: [certificate.pem key.pem]
'use strict';
const fs = require('fs');
const path = require('path');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

const definition = loader.loadSync(path.join(__dirname, '..', 'echo.proto'), { keepCase: true, defaults: true });
const { Echo } = grpc.loadPackageDefinition(definition).wgmesh.test;

// Every event that a test waits for is a line of JSON.
const report = (event) => console.log(JSON.stringify(event));

const trailers = () => {
  const metadata = new grpc.Metadata();
  metadata.set('trailer-text', 'thrown');
  metadata.set('trailer-bin', Buffer.from([0, 1, 254, 255]));
  return metadata;
};

const echoed = (call) => {
  const metadata = new grpc.Metadata();
  for (const [key, value] of Object.entries(call.metadata.getMap())) {
    if (key.startsWith('echo-')) metadata.set(key, value);
  }
  return metadata;
};

const failure = (request) => ({ code: request.status, details: request.detail, metadata: trailers() });
const replyTo = (request, index) => ({ text: request.text, payload: request.payload, index });

const server = new grpc.Server({ 'grpc.max_receive_message_length': 1024 * 1024 });
server.addService(Echo.service, {
  Unary(call, callback) {
    const request = call.request;
    if (request.behaviour === 'hang') {
      call.on('cancelled', () => report({ cancelled: true }));
      return report({ hanging: true, deadline: Number(call.getDeadline()) });
    }
    if (request.behaviour === 'status') return callback(failure(request));
    if (request.behaviour === 'metadata') {
      call.sendMetadata(echoed(call));
      return callback(null, replyTo(request, 1), echoed(call));
    }
    return callback(null, replyTo(request, 1));
  },
  ClientStream(call, callback) {
    let text = '';
    let count = 0;
    call.on('data', (request) => { text += request.text; count++; });
    call.on('error', () => {});
    call.on('end', () => callback(null, { text, payload: Buffer.alloc(0), index: count }));
  },
  ServerStream(call) {
    for (let i = 0; i < Math.max(1, call.request.repeat); i++) call.write(replyTo(call.request, i));
    if (call.request.behaviour === 'status') call.emit('error', failure(call.request));
    else call.end();
  },
  Duplex(call) {
    let index = 0;
    call.on('cancelled', () => report({ cancelled: true }));
    call.on('error', () => {});
    call.on('data', (request) => call.write(replyTo(request, index++)));
    call.on('end', () => call.end());
  },
});

const [certificate, key] = process.argv.slice(2);
const credentials = certificate
  ? grpc.ServerCredentials.createSsl(null, [{ cert_chain: fs.readFileSync(certificate), private_key: fs.readFileSync(key) }])
  : grpc.ServerCredentials.createInsecure();
server.bindAsync('127.0.0.1:0', credentials, (error, port) => {
  if (error) throw error;
  report({ port });
});
process.stdin.resume().on('end', () => process.exit(0));
