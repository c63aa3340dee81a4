/** Who gets in, and as what. Each tab stands where the policy lets the person use it. */
import { Stack, Tabs, Text, Title } from "@mantine/core";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { type ComponentType, useEffect } from "react";
import { useSession } from "../../api/session";
import type { AccessTab } from "../../router";
import { Delegations } from "./Delegations";
import { Elevations } from "./Elevations";
import { Keys } from "./Keys";
import { People } from "./People";
import { Providers } from "./Providers";
import { Sessions } from "./Sessions";
import { Webhook } from "./Webhook";
import { TabRow } from "../../parts/TabRow";

const route = getRouteApi("/signed-in/access");
const TABS: { tab: AccessTab; label: string; may: string[]; Inside: ComponentType }[] = [
  { tab: "keys", label: "Keys", may: ["key.list"], Inside: Keys },
  { tab: "people", label: "People and services", may: ["account.list"], Inside: People },
  { tab: "sessions", label: "Sessions", may: [], Inside: Sessions }, // everybody has their own
  { tab: "delegations", label: "Delegations", may: ["delegation.give", "delegation.list"], Inside: Delegations },
  { tab: "elevations", label: "Break-glass", may: ["elevation.open", "elevation.list"], Inside: Elevations },
  { tab: "providers", label: "Identity providers", may: ["provider.read"], Inside: Providers },
  { tab: "webhook", label: "Webhook", may: ["webhook.read"], Inside: Webhook },
];

export function Access() {
  const { tab } = route.useSearch();
  const navigate = useNavigate();
  const session = useSession();
  const tabs = TABS.filter(({ may }) => may.length === 0 || may.some((action) => session.may.includes(action)));
  const shown = tabs.find((one) => one.tab === tab) ?? tabs[0];
  useEffect(() => {
    document.title = `${shown?.label ?? "Access"} · Interlock`;
  }, [shown?.label]);
  return (
    <Stack gap="md" maw={1200}>
      <Title order={1} size="h2">
        Access
      </Title>
      {shown === undefined && <Text c="dimmed">Nothing here is for you.</Text>}
      <Tabs value={shown?.tab ?? null} onChange={(value) => void navigate({ to: "/access", search: { tab: value as AccessTab } })} keepMounted={false}>
        <TabRow>
          {tabs.map((one) => (
            <Tabs.Tab key={one.tab} value={one.tab}>
              {one.label}
            </Tabs.Tab>
          ))}
        </TabRow>
        {tabs.map(({ tab: name, Inside }) => (
          <Tabs.Panel key={name} value={name} pt="md">
            <Inside />
          </Tabs.Panel>
        ))}
      </Tabs>
    </Stack>
  );
}
