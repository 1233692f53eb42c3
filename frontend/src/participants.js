// Who is in the room, this page first.

import { gettext } from './words.js'

function entry (user, isMe) {
  const item = document.createElement('li')
  const dot = document.createElement('span')
  dot.className = 'dot'
  dot.style.backgroundColor = user.color
  const name = document.createElement('span')
  name.className = 'name'
  name.textContent = user.name
  item.append(dot, name)
  if (isMe) item.append(Object.assign(document.createElement('small'), { textContent: gettext('you') }))
  return item
}

/** Keep the list true to awareness. */
export function showParticipants (list, awareness) {
  const show = () => {
    const others = [...awareness.getStates()].filter(([id, state]) => id !== awareness.clientID && state.user)
    others.sort(([a], [b]) => a - b)
    const mine = awareness.getLocalState()?.user
    list.replaceChildren(...(mine ? [entry(mine, true)] : []), ...others.map(([, { user }]) => entry(user, false)))
  }
  awareness.on('change', show)
  show()
}
