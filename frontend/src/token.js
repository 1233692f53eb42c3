// A y-websocket provider whose token stays fresh: a new one goes over the open socket before the old one is over.
import * as encoding from 'lib0/encoding'
import { WebsocketProvider } from 'y-websocket'

const TOKEN = 121 // the message in which django-yredis takes a fresh token
const IDENTITY = 4401 // of the final codes, 4400-4499, the one against which a fresh token may help
const protocols = (token) => token ? ['yredis', `yauth-${token}`] : []
const isGood = (fresh) => /^[\w.-]+$/.test(fresh?.token ?? '') && Number.isFinite(fresh.expiresIn) && fresh.expiresIn >= 1
const frame = (token) => encoding.encode((to) => { encoding.writeVarUint(to, TOKEN); encoding.writeVarString(to, token) })

class TokenProvider extends WebsocketProvider {
  #timer = null // of the next renewal; null where there is to be none: disconnected, closed or destroyed
  #refused = null // the protocols with the token that 4401 has ended, until another one is let in

  constructor (doc, { url, room, name, token, expiresIn, tokenUrl, csrfToken }, { againSeconds = 5, ...options } = {}) {
    const request = { method: 'POST', headers: { 'X-CSRFToken': csrfToken }, body: new URLSearchParams({ room: name }) }
    super(url, room, doc, { ...options, protocols: protocols(token), shouldReconnect: ({ code }) => this.#comesBack(code) })
    Object.assign(this, { tokenUrl, request, againSeconds })
    this.on('sync', (isSynced) => { if (isSynced) { this.#refused = null; this.#timer ?? this.#renewIn(0) } })
    this.on('closed', () => this.disconnect())
    doc.on('destroy', () => this.destroy())
    if (this.shouldConnect) this.#renewIn(expiresIn * 0.75)
  }

  disconnect () { // destroy() comes here too
    clearTimeout(this.#timer)
    this.#timer = this.#refused = null
    super.disconnect()
  }

  #renewIn (seconds) {
    clearTimeout(this.#timer) // one that is set for longer than 2 ** 31 - 1 ms would go off at once
    if (this.tokenUrl) this.#timer = setTimeout(() => this.#renew(), Math.min(seconds * 1000, 2 ** 31 - 1))
  }

  #comesBack (code) {
    const isFresh = this.#refused !== null && this.#refused !== this.protocols
    if (code !== IDENTITY || isFresh || !this.tokenUrl) return !(code >= 4400 && code <= 4499)
    this.#refused = this.protocols
    this.shouldConnect = false // this token would be refused again: first a fresh one
    this.#renewIn(0)
    return true
  }

  async #renew () {
    const answer = await fetch(this.tokenUrl, { ...this.request, signal: AbortSignal.timeout?.(30_000) }).catch(() => null)
    const fresh = await answer?.json().catch(() => null)
    if (this.#timer === null) return // disconnected, closed or destroyed meanwhile
    if (answer?.status >= 400 && answer.status < 500) return this.#refused && this.emit('closed', [{ code: IDENTITY, reason: '' }, this])
    if (!isGood(fresh)) return this.#renewIn(this.againSeconds)
    this.protocols = protocols(fresh.token)
    this.#renewIn(fresh.expiresIn * 0.75)
    if (this.wsconnected) this.ws.send(frame(fresh.token))
    else if (this.#refused) this.connect()
  }
}

/** Connect as the template tag says; after a failure it asks for a token again in `againSeconds`. 44xx ends it, with `closed`. */
export const connect = (doc, connection, options) => new TokenProvider(doc, connection, options)
