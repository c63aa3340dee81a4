/** Links inside the console, with Mantine's look and the router's types. */
import { Anchor, type AnchorProps } from "@mantine/core";
import { createLink } from "@tanstack/react-router";
import { type AnchorHTMLAttributes, forwardRef } from "react";

type Props = AnchorProps & Omit<AnchorHTMLAttributes<HTMLAnchorElement>, keyof AnchorProps>;

export const AnchorLink = createLink(
  forwardRef<HTMLAnchorElement, Props>(function RouterAnchor(props, ref) {
    return <Anchor ref={ref} {...props} />;
  }),
);
