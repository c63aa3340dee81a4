/** `Assign`, loaded when there is something to give: its list of people is a large part of what a page would load otherwise. */
import { type ComponentProps, lazy, Suspense } from "react";

const Assign = lazy(() => import("./Assign").then((module) => ({ default: module.Assign })));

export function AssignLater(props: ComponentProps<typeof Assign>) {
  if (props.reviews.length === 0) return null;
  return (
    <Suspense fallback={null}>
      <Assign {...props} />
    </Suspense>
  );
}
