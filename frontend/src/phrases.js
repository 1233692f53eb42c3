// CodeMirror's own words, in the page's language: those of its search panel, and what a screen reader is told.

import { gettext } from './words.js'

export const phrases = {
  'Control character': gettext('Control character'),
  'Find': gettext('Find'),
  'Fold line': gettext('Fold line'),
  'Folded lines': gettext('Folded lines'),
  'Go to line': gettext('Go to line'),
  'Replace': gettext('Replace'),
  'Selection deleted': gettext('Selection deleted'),
  'Unfold line': gettext('Unfold line'),
  'Unfolded lines': gettext('Unfolded lines'),
  'all': gettext('all'),
  'by word': gettext('by word'),
  'close': gettext('close'),
  'current match': gettext('current match'),
  'folded code': gettext('folded code'),
  'go': gettext('go'),
  'match case': gettext('match case'),
  'next': gettext('next'),
  'on line': gettext('on line'),
  'previous': gettext('previous'),
  'regexp': gettext('regexp'),
  'replace': gettext('replace'),
  'replace all': gettext('replace all'),
  'replaced $ matches': gettext('replaced $ matches'),
  'replaced match on line $': gettext('replaced match on line $'),
  'to': gettext('to'),
  'unfold': gettext('unfold'),
}
