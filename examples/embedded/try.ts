/**
 * Asks a running server of this example, and says where each answer came from. Run it again after a restart of the server: the first
 * answer then comes from a tier that outlived it.
 * Usage: node examples/embedded/try.ts [url of the server] [url of its admin listener]
 */
const [server = 'http://127.0.0.1:8000', admin = 'http://127.0.0.1:8002'] = process.argv.slice(2);
const user = { username: 'ada', password: 'try-hotpath' };

const { access_token: token, expires_in: seconds } = (await ask(`${server}/token`, user)).body as unknown as Token;
console.log(`token: good for ${seconds} s`);

// What a machine's sensors say, and its load: hot, and running at 80 %.
const sensors = { temperature: 91, vibration: 1.5 };
const first = await predict({ features: { ...sensors, load: 80 } });
console.log(`first: ${first.label}, ${first.cache}`);
const again = await predict({ features: { ...sensors, load: 80 } });
console.log(`again: ${again.label}, ${again.cache}`);

// The load of machine mixer-7 stands in the table of machines. It makes the same input, so the answer is there already.
const joined = await predict({ entity: 'mixer-7', features: sensors });
console.log(`entity: ${joined.label}, ${joined.cache}`);
// The same sensors on a machine of another load are another input.
const other = await predict({ entity: 'press-1', features: sensors });
console.log(`another entity: ${other.label}, ${other.cache}`);

const record = (await ask(`${server}/api/v1/predictions/${again.id}`)).body;
console.log(`logged: ${record.model} ${record.status} for ${record.caller}, from ${record.cache}`);

const { dropped } = (await ask(`${admin}/admin/cache/invalidate`, { model: 'machine-state' })).body;
console.log(`invalidated: ${Object.keys(dropped as object).join(', ')}`);
const afterwards = await predict({ features: { ...sensors, load: 80 } });
console.log(`afterwards: ${afterwards.label}, ${afterwards.cache}`);

const warmed = (await ask(`${admin}/admin/cache/warm`, { model: 'machine-state', file: 'frequent.jsonl' })).body;
console.log(`warmed: ${warmed.computed} computed, ${warmed.cached} cached already, ${warmed.failed} failed`);
const known = await predict({ features: { temperature: 54.4, vibration: 1.75, load: 57 } });
console.log(`a warmed one: ${known.label}, ${known.cache}`);

interface Token {
  readonly access_token: string;
  readonly expires_in: number;
}

interface Answer {
  readonly headers: Headers;
  readonly body: Readonly<Record<string, unknown>>;
}

async function predict(question: object): Promise<{ label: unknown; cache: string; id: string | null }> {
  const { headers, body } = await ask(`${server}/api/v1/predict`, { model: 'machine-state', ...question });
  return { label: body.label, cache: `x-cache: ${headers.get('x-cache')}`, id: headers.get('x-prediction-id') };
}

/** With a body it is a POST. Of an answer in lines, such as a warm-up's, the last one counts. */
async function ask(url: string, question?: object): Promise<Answer> {
  const headers: Record<string, string> = url.endsWith('/token') ? {} : { authorization: `Bearer ${token}` };
  const post = { method: 'POST', body: JSON.stringify(question) };
  if (question !== undefined) headers['content-type'] = 'application/json';
  const response = await fetch(url, { ...(question === undefined ? {} : post), headers });
  const text = await response.text();
  if (!response.ok) throw new Error(`${response.status} ${text}`);
  return { headers: response.headers, body: JSON.parse(text.trimEnd().split('\n').at(-1)!) };
}
