// Texts in the page's language, from Django's JavaScriptCatalog; without it they are as they stand in the code.

export const gettext = globalThis.gettext ?? ((text) => text)
