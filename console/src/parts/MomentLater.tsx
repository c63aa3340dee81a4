/** `Moment`, loaded when a page asks for a time: a calendar is no small thing. */
import { TextInput } from "@mantine/core";
import { lazy, Suspense } from "react";
import { part } from "../lib/onDemand";
import { toLocal } from "../lib/time";
import type { MomentProps } from "./Moment";

const Moment = lazy(() => part(() => import("./Moment")).then((module) => ({ default: module.Moment })));

export function MomentLater(props: MomentProps) {
  const meanwhile = <TextInput label={props.label} size="xs" readOnly value={toLocal(props.value).replace("T", " ")} placeholder={props.placeholder} />;
  return (
    <Suspense fallback={meanwhile}>
      <Moment {...props} />
    </Suspense>
  );
}
