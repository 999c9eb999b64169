// A user of Wazo's own client, unmodified: `@wazo/sdk` under node.
//
//     NODE_EXTRA_CA_CERTS=ca.crt NODE_PATH=FOLDER node wazo.js HOST:PORT USER PASSWORD STEP,STEP... [MESSAGE]
//
// Steps are who, list, wait, hear, read and delete. Prints one line of JSON: what the session was, and what each
// step told; `wait` prints `waiting` before, once it would hear of a message. Errors of the client end it with
// status 1.
const { WazoApiClient, WebSocketClient } = require('@wazo/sdk');
const WebSocket = require('ws');

const [server, username, password, wanted, id] = process.argv.slice(2);
const client = new WazoApiClient({ server });
client.disableErrorLogging();

const plain = (message) => ({
  id: message.id,
  unread: message.unread,
  caller: message.caller,
  seconds: message.duration / 1000,
  left: message.date.getTime() / 1000,
});

const steps = {
  async who(session) {
    const profile = await client.confd.getUser(session.uuid);
    const exten = profile.lines[0].extensions[0].exten;
    return { name: profile.firstName, box: profile.voicemail && profile.voicemail.name, exten };
  },
  async list() {
    return (await client.calld.listVoicemails()).map(plain);
  },
  // The next new message, as it is told.
  async wait(session) {
    const name = 'user_voicemail_message_created';
    const heartbeat = { delay: 200, timeout: 5000, max: 3 };
    const of = { host: server, token: session.token, events: [name], version: 2, heartbeat, session };
    const socket = new WebSocketClient(of, { WebSocket });
    const event = new Promise((resolve) => socket.on(name, resolve));
    const beats = new Promise((resolve) => socket.setOnHeartbeatCallback(resolve));
    await new Promise((resolve) => {
      socket.on('initialized', resolve);
      socket.connect();
    });
    socket.startHeartbeat();
    await beats;
    process.stdout.write('waiting\n');
    const told = await event;
    socket.stopHeartbeat();
    socket.close(true);
    return told;
  },
  // The sound, by the address that the client gives to a player.
  async hear() {
    const [message] = (await client.calld.listVoicemails()).filter((one) => one.id === id);
    const answer = await fetch(client.calld.getVoicemailUrl(message));
    const sound = Buffer.from(await answer.arrayBuffer());
    return { status: answer.status, type: answer.headers.get('content-type'), sound: sound.toString('base64') };
  },
  async read() {
    return { moved: await client.calld.updateVoicemailFolder({ id }, 'old') };
  },
  async delete() {
    return { deleted: await client.calld.deleteVoicemail(id) };
  },
};

async function main() {
  const session = await client.auth.logIn({ username, password, expiration: 3600 });
  client.setToken(session.token);
  const valid = await client.auth.checkToken(session.token);
  const again = await client.auth.authenticate(session.token);
  const { wazo_version: version } = await client.confd.getInfos();
  const told = [];
  for (const step of wanted.split(',')) told.push(await steps[step](session));
  const ended = await client.auth.logOut(session.token);
  const over = await client.auth.checkToken(session.token).catch(() => false);
  const log = { valid, same: again.uuid === session.uuid, tenant: !!session.tenantUuid, version: !!version, ended, over };
  return JSON.stringify({ session: log, told });
}

main().then(
  // The client's timers would keep it alive for a while.
  (text) => process.stdout.write(`${text}\n`, () => process.exit(0)),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
