/** The frame around every page: where one is, what is live, what any key does. */
import { ActionIcon, AppShell, Badge, Burger, Group, Kbd, Menu, NavLink, Text, Tooltip, UnstyledButton, useMantineColorScheme } from "@mantine/core"; // prettier-ignore
import { useDisclosure, useHotkeys } from "@mantine/hooks";
import {
  IconDeviceDesktop, IconKeyboard, IconLogout, IconMoon, IconSearch, IconSun, IconUser,
} from "@tabler/icons-react"; // prettier-ignore
import { useQuery } from "@tanstack/react-query";
import { Link, Outlet, useLocation } from "@tanstack/react-router";
import { lazy, Suspense, useEffect } from "react";
import { part } from "../lib/onDemand";
import { openElevationsQuery } from "../api/access";
import { useLive } from "../api/live";
import { signOut, useSession } from "../api/session";
import { inDialog, Keys, useKeysHelp } from "./Keys";
import { openPalette, Palette } from "./Palette";
import { usePages } from "./pages";

const Elevated = lazy(() => part(() => import("./Elevated")).then((found) => ({ default: found.Elevated })));

export function Frame() {
  const [open, { toggle, close }] = useDisclosure();
  const session = useSession();
  const pages = usePages();
  const location = useLocation();
  const live = useLive(session.may.includes("task.list"));
  const help = useKeysHelp();
  useHotkeys([["shift+?", help.open], ["?", help.open]]);
  useHotkeys([["mod+K", () => !inDialog() && openPalette()]], []); // while one types, too: the browser's own search would open
  useEffect(close, [location.pathname, close]);
  const mac = navigator.platform.startsWith("Mac");

  return (
    <AppShell
      header={{ height: 52 }}
      navbar={{ width: 208, breakpoint: "sm", collapsed: { mobile: !open } }}
      padding={{ base: "sm", sm: "lg" }}
    >
      <AppShell.Header>
        <Group h="100%" px="md" justify="space-between" wrap="nowrap">
          <Group gap="sm" wrap="nowrap">
            <Burger opened={open} onClick={toggle} hiddenFrom="sm" size="sm" aria-label="Menu" />
            <UnstyledButton component={Link} to="/">
              <Text fw={700} size="lg">
                Interlock
              </Text>
            </UnstyledButton>
            {!live && (
              <Badge color="orange" variant="light" tt="none" role="status">
                Reconnecting
              </Badge>
            )}
          </Group>
          <Group gap="xs" wrap="nowrap">
            <Tooltip label="Search and commands">
              <UnstyledButton onClick={openPalette} className="search-button">
                <Group gap={6} wrap="nowrap">
                  <IconSearch size={16} aria-hidden />
                  <Text size="sm" className="search-word">
                    Search
                  </Text>
                  <Kbd size="xs" visibleFrom="sm" aria-hidden>
                    {mac ? "⌘" : "Ctrl"} K
                  </Kbd>
                </Group>
              </UnstyledButton>
            </Tooltip>
            <Tooltip label="Keys (?)">
              <ActionIcon variant="subtle" color="gray" onClick={help.open} aria-label="Keys">
                <IconKeyboard size={18} aria-hidden />
              </ActionIcon>
            </Tooltip>
            <SchemeMenu />
            <PersonMenu name={session.user} tenant={session.tenant} roles={session.roles} />
          </Group>
        </Group>
      </AppShell.Header>
      <AppShell.Navbar p="xs" aria-label="Pages">
        {pages.map((page) => {
          const here = page.to === "/" ? location.pathname === "/" : location.pathname.startsWith(page.to);
          return (
            <NavLink
              key={page.to}
              component={Link}
              to={page.to}
              label={page.label}
              leftSection={<page.icon size={18} aria-hidden />}
              active={here || (page.name === "inbox" && location.pathname.startsWith("/reviews"))}
            />
          );
        })}
      </AppShell.Navbar>
      <AppShell.Main>
        <BrokenGlass />
        <Outlet />
      </AppShell.Main>
      <Palette />
      <Keys {...help} />
    </AppShell>
  );
}

/** Say in every page that somebody has broken the glass; what is needed for it comes only then. */
function BrokenGlass() {
  const session = useSession();
  const may = session.may.includes("elevation.open") || session.may.includes("elevation.list");
  const open = useQuery({ ...openElevationsQuery, enabled: may });
  const items = open.data?.items ?? [];
  return <Suspense>{items.length > 0 && <Elevated items={items} />}</Suspense>;
}

function SchemeMenu() {
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const Icon = { light: IconSun, dark: IconMoon, auto: IconDeviceDesktop }[colorScheme];
  return (
    <Menu>
      <Menu.Target>
        <ActionIcon variant="subtle" color="gray" aria-label="Light or dark">
          <Icon size={18} aria-hidden />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item leftSection={<IconSun size={16} />} onClick={() => setColorScheme("light")}>
          Light
        </Menu.Item>
        <Menu.Item leftSection={<IconMoon size={16} />} onClick={() => setColorScheme("dark")}>
          Dark
        </Menu.Item>
        <Menu.Item leftSection={<IconDeviceDesktop size={16} />} onClick={() => setColorScheme("auto")}>
          As the system
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}

function PersonMenu({ name, tenant, roles }: { name: string; tenant: string; roles: string[] }) {
  const leave = async () => {
    await signOut();
    location.assign("/console/sign-in"); // a page of its own: nothing of the session stays in memory
  };
  return (
    <Menu width={240}>
      <Menu.Target>
        <ActionIcon variant="subtle" color="gray" aria-label={`Signed in as ${name}`}>
          <IconUser size={18} aria-hidden />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>
          <Text size="sm" c="var(--mantine-color-text)">
            {name}
          </Text>
          <Text size="xs" c="dimmed">
            {roles.join(", ")} in {tenant}
          </Text>
        </Menu.Label>
        <Menu.Item component={Link} to="/profile" leftSection={<IconUser size={16} aria-hidden />}>
          Profile
        </Menu.Item>
        <Menu.Item leftSection={<IconLogout size={16} />} onClick={() => void leave()}>
          Sign out
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
