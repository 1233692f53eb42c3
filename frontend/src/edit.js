// The editor of one room: CodeMirror on a shared text, who is here, and how the connection is.
import { keymap, placeholder } from '@codemirror/view'
import { Compartment, EditorState } from '@codemirror/state'
import { EditorView, basicSetup } from 'codemirror'
import { yCollab, yUndoManagerKeymap } from 'y-codemirror.next'
import { WebsocketProvider } from 'y-websocket'
import * as Y from 'yjs'
import { showConnection } from './connection.js'
import { showParticipants } from './participants.js'
import { theme } from './theme.js'
import { chooseName, trustColours } from './user.js'

const desk = document.getElementById('desk')
const scheme = window.location.protocol === 'https:' ? 'wss:' : 'ws:'

const doc = new Y.Doc()
const text = doc.getText('codemirror')
// The path is the room's name as the server encoded it: y-websocket appends it to the url as it is.
const provider = new WebsocketProvider(`${scheme}//${window.location.host}/ws`, desk.dataset.path, doc, {
  disableBc: true, // tabs of one browser meet on the server too, as everybody does
})
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
    EditorView.lineWrapping,
    EditorView.contentAttributes.of({ 'aria-label': `Text of ${desk.dataset.room}` }),
    writing.of(placeholder('Type here. Open this page once more to see it arrive there.')),
    theme,
    yCollab(text, awareness, { undoManager: new Y.UndoManager(text) }),
  ],
})

showConnection(provider, document.getElementById('state'), document.getElementById('notice'), () => {
  // What is typed from here on would reach nobody: keep the text to read and copy.
  view.dispatch({ effects: writing.reconfigure([EditorState.readOnly.of(true), EditorView.editable.of(false)]) })
})
