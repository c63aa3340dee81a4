/** `Ask`, loaded when there is something to ask. */
import { dialogLater } from "./later";

export const AskLater = dialogLater(async () => (await import("./Ask")).Ask, ({ question }) => question !== null, { question: null });
