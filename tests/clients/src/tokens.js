/** Tokens as others make them, and what a y-redis server does with ours. */
import * as jose from 'jose'
import * as ecdsa from 'lib0/crypto/ecdsa'
import * as jwt from 'lib0/crypto/jwt'

export const signByJose = async ({ key, alg, header = {}, claims }) =>
  new jose.SignJWT(claims).setProtectedHeader({ alg, ...header }).sign(await jose.importJWK(key, alg))

export const signByLib0 = async ({ key, claims }) => jwt.encodeJwt(await ecdsa.importKeyJwk(key), claims)

export const verifyByLib0 = async ({ key, token }) => (await jwt.verifyJwt(await ecdsa.importKeyJwk(key), token)).payload

/** The question as y-redis asks it: the room as it stands in the url; whatever can't be parsed as JSON is a refusal. */
export async function askPermission ({ url, room, userid }) {
  const answer = await fetch(new URL(`${room}/${userid}`, url))
  return answer.json()
}
