/** Reading on in a list of pages. */
interface Pages {
  data: { pages: readonly unknown[] } | undefined;
  hasNextPage: boolean;
  isError: boolean;
  fetchNextPage: () => Promise<Pages>;
}

const TRIES = 5;

/** Fetch the next page. A live update that comes meanwhile takes its place, and reads only those anew that are there: then it is asked for again. */
export async function nextPage(of: Omit<Pages, "isError">): Promise<void> {
  const had = of.data?.pages.length ?? 0;
  let found = await of.fetchNextPage();
  for (let tries = 1; tries < TRIES && !found.isError && found.hasNextPage && (found.data?.pages.length ?? 0) <= had; tries++) found = await found.fetchNextPage();
}
