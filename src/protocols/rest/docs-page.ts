export const docsPolicy = '';
export const docsPage = '';
