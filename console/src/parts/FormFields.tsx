/** The fields of a form out of a schema, each with what the API said is wrong with it. */
import { Fieldset, PasswordInput, Select, Stack, TagsInput, Textarea, TextInput } from "@mantine/core";
import { lazy, Suspense } from "react";
import { part } from "../lib/onDemand";
import type { Document, Node, Typed } from "../lib/form";
import { DateField } from "./DateField";
import { Loading } from "./Loading";

const FileDrop = lazy(() => part(() => import("./FileDrop")).then((module) => ({ default: module.FileDrop }))); // few forms take files

interface Props {
  node: Node;
  typed: Readonly<Record<string, Typed>>;
  wrong: Readonly<Record<string, string>>;
  onType: (pointer: string, value: Typed) => void;
  onBusy: (by: number) => void;
  first?: string | undefined; // where the focus is when a dialog opens
}

export function FormFields(props: Props) {
  const { node } = props;
  return (
    <Stack gap="md">
      {node.children.map((child) =>
        child.kind === "group" ? (
          <Fieldset key={child.pointer} legend={child.required ? child.label : `${child.label} (may be left out)`}>
            {child.description && <p className="quiet fieldset-says">{child.description}</p>}
            <FormFields {...props} node={child} />
          </Fieldset>
        ) : (
          <Field key={child.pointer} {...props} node={child} />
        ),
      )}
      {node.children.length === 0 && <Field {...props} node={node} />}
    </Stack>
  );
}

const HINTS: Partial<Record<Node["kind"], string>> = {
  decimal: "12.30",
  json: '{"name": "value"}',
};

function Field({ node, typed, wrong, onType, onBusy, first }: Props) {
  const value = typed[node.pointer];
  const text = typeof value === "string" ? value : "";
  const common = {
    label: node.label,
    description: [node.description, node.standard && `By default ${node.standard}.`].filter(Boolean).join(" ") || undefined,
    withAsterisk: node.required && !node.nullable,
    error: wrong[node.pointer],
    "data-pointer": node.pointer,
    "data-autofocus": node.pointer === first || undefined,
  };
  const change = (event: { currentTarget: { value: string } }) => onType(node.pointer, event.currentTarget.value);
  const items = Array.isArray(value) ? value : [];
  if (node.kind === "documents") {
    return (
      <Suspense fallback={<Loading what={node.label} height={110} />}>
        <FileDrop
          {...common}
          documents={items as Document[]}
          most={node.single ? 1 : node.longest}
          onChange={(documents) => onType(node.pointer, documents)}
          onBusy={onBusy}
        />
      </Suspense>
    );
  }
  if (node.kind === "list") {
    const choices = node.choices.length > 0 ? { data: node.choices } : {};
    return (
      <TagsInput
        {...common}
        {...choices}
        placeholder="Enter adds one"
        value={items as string[]}
        maxTags={node.longest ?? undefined}
        onChange={(values) => onType(node.pointer, values)}
        acceptValueOnBlur
        clearable
      />
    );
  }
  if (node.kind === "choice" || node.kind === "yes-no") {
    const choices = node.kind === "choice" ? node.choices : [{ value: "true", label: "Yes" }, { value: "false", label: "No" }]; // prettier-ignore
    return <Select {...common} data={choices} value={text || null} onChange={(chosen) => onType(node.pointer, chosen ?? "")} clearable={!node.required} />;
  }
  if (node.kind === "long-text" || node.kind === "json") {
    return <Textarea {...common} autosize minRows={2} maxRows={12} value={text} onChange={change} placeholder={HINTS[node.kind]} />;
  }
  if (node.kind === "password") return <PasswordInput {...common} value={text} onChange={change} autoComplete="new-password" />;
  if (node.kind === "date" || node.kind === "date-time") {
    return <DateField {...common} withTime={node.kind === "date-time"} value={text} onChange={(next) => onType(node.pointer, next)} />; // in the reader's zone
  }
  return (
    <TextInput
      {...common}
      inputMode={node.kind === "decimal" || (node.kind === "number" && !node.whole) ? "decimal" : node.whole ? "numeric" : undefined}
      placeholder={HINTS[node.kind]}
      value={text}
      onChange={change}
    />
  );
}
