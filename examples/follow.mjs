// Follows everything that happens in a Skyulf, from where it was left, and survives restarts of either side.
//
//   node examples/follow.mjs http://localhost:8000 follower.position
//
// Needs Node.js 18 or later and nothing else. Each event is handled (here: printed as a line of JSON), and only then is
// its position kept: after a crash the last one may come again, and none is missed. SKYULF_KEY is the access key, where
// the server asks for one. docs/asyncapi.json says what events there are.

import { readFileSync, renameSync, writeFileSync } from 'node:fs';

const [server, file] = process.argv.slice(2);
if (!server || !file) {
  console.error('usage: node follow.mjs SERVER FILE');
  process.exit(2);
}

function keptPosition() {
  try {
    return Number(readFileSync(file, 'utf8'));
  } catch (error) {
    if (error.code === 'ENOENT') return 0; // the first start: from the beginning
    throw error;
  }
}

function keep(position) {
  writeFileSync(`${file}.new`, String(position), { flush: true });
  renameSync(`${file}.new`, file); // whole or not at all, whenever it is killed
}

function handle(event) {
  console.log(JSON.stringify(event));
}

async function follow() {
  const headers = { Accept: 'text/event-stream' };
  if (process.env.SKYULF_KEY) headers.Authorization = `Bearer ${process.env.SKYULF_KEY}`;
  const answer = await fetch(`${server}/v1/events?after=${keptPosition()}`, { headers });
  if ([401, 403, 404, 422].includes(answer.status)) {
    console.error(`${answer.status}: ${await answer.text()}`);
    process.exit(1); // asking again would not help
  }
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  let text = '';
  for await (const piece of answer.body.pipeThrough(new TextDecoderStream())) {
    text = (text + piece).replaceAll('\r\n', '\n'); // a piece may end between the two
    const messages = text.split('\n\n');
    text = messages.pop(); // the last one is not whole yet
    for (const message of messages) {
      const lines = message.split('\n').filter((line) => line.startsWith('data:'));
      if (lines.length === 0) continue; // a comment, which keeps the connection open
      const event = JSON.parse(lines.map((line) => line.slice(5).trimStart()).join('\n'));
      handle(event);
      keep(event.position);
    }
  }
}

for (let wait = 100; ; wait = Math.min(2 * wait, 5000)) {
  const before = keptPosition();
  try {
    await follow();
  } catch (error) {
    console.error(`again soon: ${error.message}`);
  }
  if (keptPosition() > before) wait = 100;
  await new Promise((resolve) => setTimeout(resolve, wait));
}
