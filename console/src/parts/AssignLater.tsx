/** `Assign`, loaded when there is something to give. */
import { dialogLater } from "./later";

export const AssignLater = dialogLater(async () => (await import("./Assign")).Assign, ({ reviews }) => reviews.length > 0, { reviews: [] });
