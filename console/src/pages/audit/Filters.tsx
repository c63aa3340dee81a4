/** The filters of the log; they stand in the address, so that a view can be sent to somebody. */
import { Autocomplete, Button, Group, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { automationsQuery } from "../../api/queries";
import type { AuditFilter } from "../../lib/audit";
import { MomentLater } from "../../parts/MomentLater";

const KINDS = [
  "effect", "task.accepted", "task.waiting", "task.blocked", "task.succeeded", "task.failed", "task.cancelled", "task.retried", "task.erased",
  "review.opened", "review.claimed", "review.answered", "review.approved", "review.refused", "document.stored", "key.created", "key.revoked",
  "policy.proposed", "policy.activated", "policy.rejected", "policy.rolled-back", "model.registered", "model.evaluated", "model.approved", "model.released", "model.retired",
]; // prettier-ignore

export function Filters({ filter, onChange }: { filter: AuditFilter; onChange: (next: AuditFilter) => void }) {
  const automations = useQuery(automationsQuery);
  const [draft, setDraft] = useState<AuditFilter>(filter);
  const shown = JSON.stringify(filter);
  useEffect(() => setDraft(filter), [shown]); // another address, another view
  const set = (name: keyof AuditFilter) => (value: string | undefined) => setDraft((now) => ({ ...now, [name]: value || undefined }));
  const text = (name: keyof AuditFilter, label: string, placeholder: string) => (
    <TextInput label={label} placeholder={placeholder} size="xs" value={draft[name] ?? ""} onChange={(event) => set(name)(event.currentTarget.value)} maxLength={200} />
  );
  const time = (name: "since" | "until", label: string) => (
    <MomentLater label={label} value={draft[name]} onChange={set(name)} />
  );
  return (
    <form
      aria-label="Filter the records"
      onSubmit={(event) => {
        event.preventDefault();
        onChange(draft);
      }}
    >
      <div className="field-grid">
        {text("task", "Task", "task_…")}
        {text("correlation", "Correlation", "its ID")}
        <Autocomplete label="Automation" size="xs" placeholder="any" data={automations.data?.items.map((one) => one.name) ?? []} value={draft.automation ?? ""} onChange={set("automation")} />
        {text("person", "Person", "user:…")}
        <Autocomplete label="Kind" size="xs" placeholder="any" data={KINDS} limit={30} value={draft.kind ?? ""} onChange={set("kind")} />
        {time("since", "Since")}
        {time("until", "Until")}
        <Group gap="xs" wrap="nowrap">
          <Button type="submit" size="xs">
            Filter
          </Button>
          <Button type="button" size="xs" variant="default" onClick={() => onChange({})}>
            All
          </Button>
        </Group>
      </div>
    </form>
  );
}
