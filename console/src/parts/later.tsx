/** Dialogs that are loaded when they are first opened: forms are a large part of what a page would load otherwise. */
import { type ComponentType, lazy, Suspense, useLayoutEffect, useState } from "react";
import { part } from "../lib/onDemand";

/** Give a dialog that is loaded when `isOpen` first holds of its properties; with `closed` among them it is closed. It stays then, to give the focus back. */
export function dialogLater<P extends object>(load: () => Promise<ComponentType<P>>, isOpen: (props: P) => boolean, closed: Partial<P>): ComponentType<P> {
  const Loaded = lazy(async () => {
    const Dialog = await part(load);
    const Come = (props: P) => {
      const [there, setThere] = useState(false); // what is open from its first moment on does not know where the focus was
      useLayoutEffect(() => setThere(true), []);
      return <Dialog {...props} {...(there ? {} : closed)} />;
    };
    return { default: Come as ComponentType<object> };
  });
  return function Later(props: P) {
    const [opened, setOpened] = useState(false);
    if (!opened && isOpen(props)) setOpened(true);
    return <Suspense fallback={null}>{opened && <Loaded {...props} />}</Suspense>;
  };
}
