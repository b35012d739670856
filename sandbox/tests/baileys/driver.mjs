// One Baileys client, driven by lines of JSON: commands on standard input, events and answers on standard output.
//
//   node driver.mjs MODULES URL STORE
//
// MODULES is a folder in which Baileys is installed, URL the server's, STORE the folder of the client's credentials. In the
// environment PUSH_NAME may be the name that it registers with, for versions that send one.
// The end of standard input ends the client; what it logs goes to standard error.

import { Console } from 'node:console'
import { Agent } from 'node:https'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'

// Libraries that print must not print into the answers.
globalThis.console = new Console(process.stderr)

const [modules, url, store] = process.argv.slice(2)
const installed = createRequire(join(modules, 'package.json'))
const baileys = await import(pathToFileURL(installed.resolve('@whiskeysockets/baileys')))
const pino = installed('pino')
const { BufferJSON, DisconnectReason, makeWASocket, useMultiFileAuthState } = baileys

const logger = pino({ level: 'debug' }, pino.destination({ fd: 2, sync: true }))
const { state, saveCreds } = await useMultiFileAuthState(store)
const sent = new Map()
const received = new Map()
let saving = Promise.resolve()
let sock

function tell(line) {
  process.stdout.write(JSON.stringify(line, BufferJSON.replacer) + '\n')
}

// Baileys puts the server's number into `data`, and its own of a broken connection into `statusCode`.
function problem(error) {
  const data = typeof error?.data === 'number' ? error.data : undefined
  return { code: data ?? error?.output?.statusCode, text: error?.message ?? String(error) }
}

function connect() {
  sock = makeWASocket({
    auth: state,
    getMessage: async key => sent.get(key.id),
    logger,
    pushName: process.env.PUSH_NAME,
    shouldSyncHistoryMessage: () => false,
    syncFullHistory: false,
    version: [2, 3000, 0],
    waWebSocketUrl: url,
  })
  sock.ev.process(hear)
}

async function hear(events) {
  if (events['creds.update']) {
    saving = saving.then(saveCreds)
    await saving
  }
  for (const [event, data] of Object.entries(events)) {
    if (event === 'connection.update') {
      connection(data)
    } else if (event === 'messages.upsert') {
      for (const message of data.messages) {
        received.set(message.key.id, message)
        tell({ event, data: { type: data.type, message } })
      }
    } else if (event === 'creds.update') {
      // What has changed, not into what: there are private keys.
      Object.keys(data).forEach(data => tell({ event, data }))
    } else {
      // Baileys gathers: each update, message or group is told by itself.
      [data].flat().forEach(data => tell({ event, data }))
    }
  }
}

function connection({ lastDisconnect, ...update }) {
  const closed = lastDisconnect && problem(lastDisconnect.error)
  tell({ event: 'connection.update', data: { ...update, closed } })
  if (closed?.code === DisconnectReason.restartRequired) {
    connect()
  }
}

// 6.7 has WhatsApp's media host in its code; this leads it to the host that the message names.
class MediaHost extends Agent {
  constructor(url) {
    super()
    this.named = new URL(url)
  }

  createConnection(options, done) {
    const { hostname: host, port } = this.named
    return super.createConnection({ ...options, host, port, servername: '' }, done)
  }
}

// What is more than a method of the socket.
const commands = {
  // A socket's own `user` is a copy from before the login.
  user: () => state.creds.me,
  downloadMedia(id) {
    const message = received.get(id)
    const { url } = Object.values(message.message).find(content => content?.mediaKey)
    const options = { httpsAgent: new MediaHost(url) }
    return baileys.downloadMediaMessage(message, 'buffer', { options })
  },
  async sendMessage(...request) {
    const message = await sock.sendMessage(...request)
    sent.set(message.key.id, message.message)
    return message
  },
}

async function obey({ id, command, args }) {
  try {
    const value = await (commands[command] ?? sock[command])(...args)
    tell({ id, value: value ?? null })
  } catch (error) {
    logger.info({ error: error?.stack }, `${command} failed`)
    tell({ id, refused: problem(error) })
  }
}

process.on('unhandledRejection', error => logger.error({ error: error?.stack }, 'unhandled rejection'))
connect()
for await (const line of createInterface({ input: process.stdin })) {
  obey(JSON.parse(line, BufferJSON.reviver))
}
await sock.end(undefined)
await saving
process.exit()
