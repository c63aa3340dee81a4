/** Which review was open last: the inbox is at it again when one comes back. */
let last: string | undefined;

export const keepPlace = (reviewId: string): void => {
  last = reviewId;
};
export const lastPlace = (): string | undefined => last;
