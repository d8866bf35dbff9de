// Makes calls of Echo with the implementation of the gRPC project for Node.js and prints, as one line of JSON, what came of them.
// Arguments: SCENARIO HOST:PORT [ca.pem]
'use strict';
const fs = require('fs');
const path = require('path');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

const definition = loader.loadSync(path.join(__dirname, '..', 'echo.proto'), { keepCase: true, defaults: true });
const { Echo } = grpc.loadPackageDefinition(definition).wgmesh.test;
const [scenario, address, ca] = process.argv.slice(2);

const connect = (options) => new Echo(
  address, ca ? grpc.credentials.createSsl(fs.readFileSync(ca)) : grpc.credentials.createInsecure(), options);

const outcome = (error) => ({
  code: error.code,
  details: error.details,
  text: error.metadata?.get('trailer-text')[0],
  bin: error.metadata?.get('trailer-bin')[0]?.toJSON().data,
});

const unary = (client, request, metadata = new grpc.Metadata(), options = {}) => new Promise((resolve) => {
  const result = {};
  const call = client.Unary(request, metadata, options, (error, reply) => {
    if (error) Object.assign(result, outcome(error));
    else result.reply = { text: reply.text, index: reply.index, length: reply.payload.length };
  });
  call.on('metadata', (headers) => { result.headers = headers.toJSON(); });
  call.on('status', (status) => {
    result.code = status.code;
    result.trailers = status.metadata.toJSON();
    resolve(result);
  });
});

// Reads a stream to its end.
const drain = (call, each = () => {}) => new Promise((resolve) => {
  const result = { replies: [] };
  call.on('data', (reply) => { result.replies.push(reply.text); each(reply); });
  call.on('error', (error) => Object.assign(result, outcome(error)));
  call.on('status', (status) => resolve(Object.assign(result, { code: status.code })));
});

const scenarios = {
  unary: () => unary(connect(), { text: 'héllo', payload: Buffer.from([1, 2, 3]) }),
  clientStream: () => new Promise((resolve) => {
    const call = connect().ClientStream((error, reply) => resolve(error ? outcome(error) : { code: 0, reply }));
    for (const text of ['a', 'b', '', 'c']) call.write({ text });
    call.end();
  }),
  serverStream: () => drain(connect().ServerStream({ text: 'x', repeat: 1000 })),
  duplex: () => {
    const call = connect().Duplex();
    let sent = 0;
    const next = () => (sent < 20 ? call.write({ text: `${sent++}` }) : call.end());
    next();
    return drain(call, next);
  },
  status: () => unary(connect(), { behaviour: 'status', status: 5, detail: '100 % wrong:\n"ü" 😀' }),
  statusAfterMessages: () => drain(connect().ServerStream({ text: 'x', repeat: 3, behaviour: 'status', status: 15, detail: 'enough' })),
  statusWhileSending: () => {
    const call = connect().Duplex();
    const timer = setInterval(() => call.write({ text: 'more' }), 5);
    call.write({ behaviour: 'status', status: 7, detail: 'not you' });
    return drain(call).finally(() => clearInterval(timer));
  },
  exception: () => unary(connect(), { behaviour: 'throw' }),
  unknown: () => new Promise((resolve) => connect().makeUnaryRequest(
    '/wgmesh.test.Echo/Missing', (x) => x, (x) => x, Buffer.alloc(0), (error) => resolve(outcome(error)))),
  metadata: () => {
    const metadata = new grpc.Metadata();
    metadata.set('echo-text', 'some text');
    metadata.set('echo-bin', Buffer.from([0, 1, 254, 255]));
    return unary(connect(), { behaviour: 'metadata' }, metadata);
  },
  // The first call makes the connection, so that the time of the second is spent in its handler.
  deadline: async () => {
    const client = connect();
    await unary(client, { text: 'first' });
    return unary(client, { behaviour: 'hang' }, undefined, { deadline: Date.now() + 3000 });
  },
  cancel: () => {
    const call = connect().Duplex();
    call.write({ text: 'a' });
    return drain(call, () => call.cancel());
  },
  oversizedRequest: () => unary(connect(), { payload: Buffer.alloc(5 * 1024 * 1024) }),
  oversizedReply: () => unary(connect({ 'grpc.max_receive_message_length': 1000 }), { payload: Buffer.alloc(2000) }),
  large: () => unary(
    connect({ 'grpc.max_receive_message_length': -1 }), { payload: Buffer.alloc(4 * 1024 * 1024 - 100, 'x') }),
  compressed: () => unary(connect({ 'grpc.default_compression_algorithm': 2 }), { text: 'x'.repeat(10000) }),
  // A stream that is silent for longer than a ping may go unanswered, and then goes on.
  keepalive: () => {
    const call = connect({ 'grpc.keepalive_time_ms': 100, 'grpc.keepalive_timeout_ms': 5000 }).Duplex();
    call.write({ text: 'before' });
    return drain(call, (reply) => (reply.text === 'before'
      ? setTimeout(() => { call.write({ text: 'after' }); call.end(); }, 7000)
      : undefined));
  },
};

scenarios[scenario]().then((result) => {
  console.log(JSON.stringify(result));
  process.exit(0);
});
