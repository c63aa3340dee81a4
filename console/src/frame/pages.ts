/** The pages of the frame, in order: the navigation and the palette list the same, each where the policy lets the person use it. */
import {
  IconBrain, IconGavel, IconHome, IconInbox, IconKey, IconListCheck, IconRobot, IconShieldCheck, IconUserShield,
} from "@tabler/icons-react"; // prettier-ignore
import { useSession } from "../api/session";

interface PageOf {
  name: string;
  to: string;
  label: string;
  icon: typeof IconHome;
  says: string;
  may?: string[]; // one of these
}

export const PAGES: PageOf[] = [
  { name: "home", to: "/", label: "Home", icon: IconHome, says: "Today's numbers, and what waits" },
  { name: "inbox", to: "/inbox", label: "Inbox", icon: IconInbox, says: "Reviews that wait for a person" },
  { name: "tasks", to: "/tasks", label: "Tasks", icon: IconListCheck, says: "Everything that runs or ran" },
  { name: "automations", to: "/automations", label: "Automations", icon: IconRobot, says: "What each is for, how it does, and a form to try it", may: ["automation.read"] },
  {
    name: "access",
    to: "/access",
    label: "Access",
    icon: IconKey,
    says: "Keys, people, sessions, delegations, elevations, identity providers, webhook",
    may: ["key.list", "account.list", "session.list", "delegation.give", "delegation.list", "elevation.open", "elevation.list", "provider.read", "webhook.read"],
  },
  { name: "audit", to: "/audit", label: "Audit log", icon: IconShieldCheck, says: "Every record, verified here", may: ["audit.read"] },
  { name: "policies", to: "/policies", label: "Policies", icon: IconGavel, says: "What decides, and what a change of it would change", may: ["policy.read"] },
  { name: "models", to: "/models", label: "Models", icon: IconBrain, says: "Every version, where it comes from, and who let it serve", may: ["model.list"] },
  { name: "privacy", to: "/privacy", label: "Personal data", icon: IconUserShield, says: "What is kept of a person, and their erasure", may: ["privacy.read"] },
];

export function usePages(): PageOf[] {
  const session = useSession();
  return PAGES.filter((page) => !page.may || page.may.some((action) => session.may.includes(action)));
}
