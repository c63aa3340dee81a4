/** The pages of the frame, in order: the navigation and the palette list the same. */
import { IconHome, IconInbox, IconListCheck } from "@tabler/icons-react";

export const PAGES = [
  { name: "home", to: "/", label: "Home", icon: IconHome, says: "Today's numbers, and what waits" },
  { name: "inbox", to: "/inbox", label: "Inbox", icon: IconInbox, says: "Reviews that wait for a person" },
  { name: "tasks", to: "/tasks", label: "Tasks", icon: IconListCheck, says: "Everything that runs or ran" },
];
