/** Parts of the console that are loaded when they are needed. Without a network they are waited for: what one is at stays where it is. */
import { notifications } from "@mantine/notifications";

const PAUSE_MS = 2_000;
const TOLD = "part";

/** Tell whether the server is there at all. */
const answers = (): Promise<boolean> => fetch("/console/icon.svg", { cache: "no-store" }).then(({ ok }) => ok, () => false); // prettier-ignore

const later = (): Promise<void> =>
  new Promise((resolve) => {
    const timer = setTimeout(go, PAUSE_MS);
    function go() {
      clearTimeout(timer);
      removeEventListener("online", go);
      resolve();
    }
    addEventListener("online", go);
  });

/** Load a part, as soon as it can be; rejects where the server is there and has it no more, since the console was updated. */
export async function part<T>(load: () => Promise<T>): Promise<T> {
  let told = false;
  for (;;) {
    if (navigator.onLine) {
      try {
        return await load();
      } catch (failed) {
        if (told && (await answers())) throw failed;
      }
    }
    if (!told) notifications.show({ id: TOLD, color: "orange", autoClose: false, title: "The server does not answer", message: "What you asked for comes as soon as it does. Nothing is lost." });
    told = true;
    while (!(await answers())) await later();
    notifications.hide(TOLD);
  }
}
