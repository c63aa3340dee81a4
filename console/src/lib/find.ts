/** The one search box: words become filters of the API where they can, and are looked for in what was loaded where they cannot. Pure. */
const STATES = ["accepted", "running", "waiting", "blocked", "succeeded", "failed", "cancelled"] as const;
export type TaskState = (typeof STATES)[number];

export interface Wanted {
  task?: string; // an ID: there is one page for it
  state?: TaskState[];
  automation?: string;
  correlation_id?: string;
  submitted_by?: string;
  label?: string[]; // as the API reads them, NAME:VALUE
  resolved?: boolean;
  words: string[];
}

/** Read what was typed. `automations` are the names there are. */
export function readFind(find: string, automations: readonly string[]): Wanted {
  const wanted: Wanted = { words: [] };
  for (const word of find.trim().split(/\s+/).filter(Boolean)) {
    const state = STATES.find((one) => one === word.toLowerCase());
    if (/^task_[0-9a-f]{32}$/.test(word)) wanted.task = word;
    else if (/^[0-9a-f]{32}$/.test(word)) wanted.correlation_id = word;
    else if (/^(user|service|agent|folder):./.test(word)) wanted.submitted_by = word;
    else if (/^[\w.-]+=.+$/.test(word)) wanted.label = [...(wanted.label ?? []), word.replace("=", ":")];
    else if (/^(un)?resolved$/i.test(word)) wanted.resolved = !/^un/i.test(word);
    else if (state) wanted.state = [...(wanted.state ?? []), state]; // any of them
    else if (automations.includes(word)) wanted.automation = word;
    else wanted.words.push(word.toLowerCase());
  }
  return wanted;
}

const texts = new WeakMap<object, string>(); // of each task once: the list is looked through anew with each page that comes

function textOf(task: object): string {
  const known = texts.get(task);
  if (known !== undefined) return known;
  const text = JSON.stringify(task).toLowerCase();
  texts.set(task, text);
  return text;
}

/** Tell whether a task has every word somewhere in what the list says of it. */
export function hasWords(task: object, words: string[]): boolean {
  if (words.length === 0) return true;
  const text = textOf(task);
  return words.every((word) => text.includes(word));
}
