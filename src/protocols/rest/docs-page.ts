/** The API page of GET /docs. */
export const docsPolicy = '';
export const docsPage = '';
