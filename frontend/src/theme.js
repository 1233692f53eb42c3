// CodeMirror in the page's colours; they are the custom properties of style.css, so light and dark need no code.
import { EditorView } from 'codemirror'

export const theme = EditorView.theme({
  '&': { height: '100%', fontSize: '1rem', color: 'var(--ink)', backgroundColor: 'transparent' },
  '&.cm-focused': { outline: 'none' },
  '.cm-scroller': { fontFamily: 'var(--mono)', lineHeight: '1.65' },
  '.cm-content': { padding: '1.5rem 0 40vh', caretColor: 'var(--ink)' }, // room for a name above the first line
  '.cm-line': { padding: '0 1.25rem 0 .75rem' },
  '.cm-gutters': { color: 'var(--faint)', backgroundColor: 'transparent', border: 'none' },
  '.cm-lineNumbers .cm-gutterElement': { padding: '0 .25rem 0 .75rem', minWidth: '2.25rem' },
  '.cm-activeLine, .cm-activeLineGutter': { backgroundColor: 'var(--line)' },
  '.cm-placeholder': { color: 'var(--faint)' },
  '.cm-cursor': { borderLeftColor: 'var(--ink)', borderLeftWidth: '2px' },
  '&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground': {
    backgroundColor: 'var(--selection)',
  },
  '.cm-panel input': { width: 'auto' }, // the page's own are as wide as they can be
  '.cm-panels': { color: 'var(--ink)', backgroundColor: 'var(--paper)', borderColor: 'var(--edge)' },
  '.cm-ySelectionCaret': { borderWidth: '0 1px' },
  '.cm-ySelectionCaretDot': { display: 'none' },
  '.cm-ySelectionInfo': {
    top: '-1.35em',
    padding: '.05em .4em .1em',
    borderRadius: '.3em .3em .3em 0',
    fontFamily: 'var(--sans)',
    fontSize: '.7rem',
    fontWeight: '600',
    lineHeight: '1.5',
    opacity: '1',
    maxWidth: '12rem',
    overflow: 'hidden',
    textOverflow: 'ellipsis',
    pointerEvents: 'none',
  },
})
