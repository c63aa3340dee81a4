/** How far the way to a first reviewed receipt was gone in this browser: begun where nobody had answered anything yet, over when it was gone or closed. */
const KEY = "interlock.first-steps";

export const hasBegun = (): boolean => localStorage.getItem(KEY) === "begun";
export const isOver = (): boolean => localStorage.getItem(KEY) === "over";
export const begin = (): void => localStorage.setItem(KEY, "begun");
export const end = (): void => localStorage.setItem(KEY, "over");
