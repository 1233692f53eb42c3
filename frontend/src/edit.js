// The editor of one room: CodeMirror on a shared text, who is here, and how the connection is.
import { keymap, placeholder } from '@codemirror/view'
import { Compartment, EditorState } from '@codemirror/state'
import { EditorView, basicSetup } from 'codemirror'
import { yCollab, yUndoManagerKeymap } from 'y-codemirror.next'
import * as Y from 'yjs'
import { showConnection } from './connection.js'
import { showParticipants } from './participants.js'
import { phrases } from './phrases.js'
import { theme } from './theme.js'
import { connect } from './token.js'
import { chooseName, trustColours } from './user.js'
import { gettext } from './words.js'

const desk = document.getElementById('desk')
const connection = JSON.parse(document.getElementById('yredis-connection').textContent)

const doc = new Y.Doc()
const text = doc.getText('codemirror')
// The room is its name as the server encoded it: y-websocket appends it to the url as it is.
const provider = connect(doc, connection, { disableBc: true }) // tabs of one browser meet on the server too
const { awareness } = provider

trustColours(awareness)
chooseName(document.getElementById('name'), (user) => awareness.setLocalStateField('user', user))
showParticipants(document.getElementById('participants'), awareness)

const writing = new Compartment()
const view = new EditorView({
  parent: document.getElementById('editor'),
  doc: text.toString(),
  extensions: [
    keymap.of(yUndoManagerKeymap), // before basicSetup's: undo takes back one's own changes only
    basicSetup,
    EditorView.cspNonce.of(desk.dataset.nonce),
    EditorState.phrases.of(phrases),
    EditorView.lineWrapping,
    EditorView.contentAttributes.of({ 'aria-label': gettext('Text of %(room)s').replace('%(room)s', () => connection.name) }),
    writing.of([]),
    theme,
    yCollab(text, awareness, { undoManager: new Y.UndoManager(text) }),
  ],
})

const closedToTyping = [EditorState.readOnly.of(true), EditorView.editable.of(false)]
const invitation = placeholder(gettext('Type here. Open this page once more to see it arrive there.'))

/** What a reader types would close the connection; nobody would get it. */
function allow (access) {
  document.getElementById('reading').hidden = access !== 'read'
  view.dispatch({ effects: writing.reconfigure(access === 'write' ? invitation : closedToTyping) })
}
allow(connection.access)

showConnection(provider, document.getElementById('state'), document.getElementById('notice'), {
  whenClosed: () => allow('none'), // what is typed from here on would reach nobody: keep the text to read and copy
  whenRightsChange: allow,
})
