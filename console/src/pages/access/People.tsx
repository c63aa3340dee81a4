/** Accounts of people and of services: make, change, disable. */
import { Button, Group, Stack, Table, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { servicesQuery, usersQuery } from "../../api/access";
import { api, data, type Schemas } from "../../api/client";
import { useSession } from "../../api/session";
import type { Question } from "../../parts/Ask";
import { AskLater } from "../../parts/AskLater";
import { ProblemAlert } from "../../parts/Broken";
import { Deeds } from "../../parts/Deeds";
import { Rows } from "../../parts/Rows";
import { State } from "../../parts/State";
import { newPassword, newService, newUser, otherRoles } from "./schemas";

type User = Schemas["User"];
type Service = Schemas["ServiceAccount"];
const RENEWS = "accounts";

export function People() {
  const session = useSession();
  const users = useQuery(usersQuery);
  const services = useQuery(servicesQuery);
  const [question, setQuestion] = useState<Question | null>(null);
  const may = session.may.includes("account.create");
  return (
    <Stack gap="md">
      <Group justify="space-between">
        <Title order={2} size="h4">
          People
        </Title>
        {may && (
          <Button size="xs" onClick={() => setQuestion(ADD_USER)}>
            Add a person
          </Button>
        )}
      </Group>
      {users.isError && <ProblemAlert error={users.error} retry={() => void users.refetch()} />}
      {users.isSuccess && (
        <Rows label="People" heads={["Person", "Name", "Roles", "Limit", "Signs in by", "State", ""]} empty="Nobody has an account. Keys and identity providers let people in without one of these.">
          {users.data.items.map((user) => (
            <Table.Tr key={user.id}>
              <Table.Td>{user.id}</Table.Td>
              <Table.Td>{user.name}</Table.Td>
              <Table.Td>{user.roles.join(", ") || "none"}</Table.Td>
              <Table.Td>{user.approval_limit ?? "none"}</Table.Td>
              <Table.Td>{user.signs_in_by.map((way) => (way === "oidc" ? "identity provider" : way)).join(", ") || "nothing"}</Table.Td>
              <Table.Td>
                <State state={user.disabled_at ? "disabled" : "usable"} />
              </Table.Td>
              <Table.Td>{may && <Deeds of={user.id} deeds={ofUser(user, setQuestion)} />}</Table.Td>
            </Table.Tr>
          ))}
        </Rows>
      )}
      <Group justify="space-between" mt="md">
        <Title order={2} size="h4">
          Services
        </Title>
        {may && (
          <Button size="xs" onClick={() => setQuestion(ADD_SERVICE)}>
            Add a service
          </Button>
        )}
      </Group>
      {services.isError && <ProblemAlert error={services.error} retry={() => void services.refetch()} />}
      {services.isSuccess && (
        <Rows label="Services" heads={["Service", "Name", "Made by", "State", ""]} empty="There is no service. Programs call as one, with a key of their own.">
          {services.data.items.map((service) => (
            <Table.Tr key={service.id}>
              <Table.Td>{service.id}</Table.Td>
              <Table.Td>{service.name}</Table.Td>
              <Table.Td>{service.created_by}</Table.Td>
              <Table.Td>
                <State state={service.disabled_at ? "disabled" : "usable"} />
              </Table.Td>
              <Table.Td>{may && <Deeds of={service.id} deeds={ofService(service, setQuestion)} />}</Table.Td>
            </Table.Tr>
          ))}
        </Rows>
      )}
      <AskLater question={question} onClose={() => setQuestion(null)} />
    </Stack>
  );
}

const ADD_USER: Question = {
  title: "Add a person",
  says: "They sign in here; what they may do follows their roles.",
  verb: "Add the person",
  schema: newUser,
  renews: RENEWS,
  act: (body) => data(api.POST("/v1/users", { body: body as Schemas["UserRequest"] })),
};

const ADD_SERVICE: Question = {
  title: "Add a service",
  says: "Then make a key that stands for it.",
  verb: "Add the service",
  schema: newService,
  renews: RENEWS,
  act: (body) => data(api.POST("/v1/services", { body: body as Schemas["ServiceRequest"] })),
};

function ofUser(user: User, ask: (question: Question) => void) {
  const at = { params: { path: { user_id: user.id } } };
  const roles: Question = {
    title: `Roles of ${user.id}`,
    says: "Their open sessions have them at once. Their keys have roles of their own.",
    verb: "Set the roles",
    schema: otherRoles,
    first: { "/roles": [...user.roles], "/approval_limit": user.approval_limit ?? "" },
    renews: RENEWS,
    act: (body) => data(api.POST("/v1/users/{user_id}:roles", { ...at, body: { roles: [], ...(body as object) } as Schemas["RolesRequest"] })),
  };
  const password: Question = {
    title: `A password for ${user.id}`,
    says: "12 characters or more; common ones are refused. Their sessions end.",
    verb: "Set the password",
    schema: newPassword,
    renews: RENEWS,
    act: (body) => data(api.POST("/v1/users/{user_id}:password", { ...at, body: body as Schemas["PasswordRequest"] })),
  };
  const disable: Question = {
    title: `Disable ${user.id}?`,
    says: "Their keys are refused and their sessions end, at once. The account can be enabled again.",
    verb: "Disable the account",
    danger: true,
    renews: RENEWS,
    act: () => data(api.POST("/v1/users/{user_id}:disable", at)),
  };
  const enable: Question = {
    title: `Enable ${user.id}?`,
    says: "Their keys open again, and they sign in anew.",
    verb: "Enable the account",
    renews: RENEWS,
    act: () => data(api.POST("/v1/users/{user_id}:enable", at)),
  };
  return [
    { label: "Give other roles", act: () => ask(roles) },
    { label: "Set a password", act: () => ask(password) },
    user.disabled_at ? { label: "Enable", act: () => ask(enable) } : { label: "Disable", danger: true, act: () => ask(disable) },
  ];
}

function ofService(service: Service, ask: (question: Question) => void) {
  const at = { params: { path: { service_id: service.id } } };
  const disable: Question = {
    title: `Disable ${service.id}?`,
    says: "All of its keys are refused, at once. The account can be enabled again.",
    verb: "Disable the service",
    danger: true,
    renews: RENEWS,
    act: () => data(api.POST("/v1/services/{service_id}:disable", at)),
  };
  const enable: Question = {
    title: `Enable ${service.id}?`,
    says: "Its keys open again.",
    verb: "Enable the service",
    renews: RENEWS,
    act: () => data(api.POST("/v1/services/{service_id}:enable", at)),
  };
  return [service.disabled_at ? { label: "Enable", act: () => ask(enable) } : { label: "Disable", danger: true, act: () => ask(disable) }];
}
