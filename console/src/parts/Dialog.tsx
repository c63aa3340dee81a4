/** A dialog with a name and a way out; its heading is no banner of the page, as Mantine's own would be. It opens and closes at once:
 * one that still fades away would swallow the next key. */
import { Group, Modal, type ModalRootProps } from "@mantine/core";

/** Take the focus in the turn in which the dialog opens. Mantine does so a turn later, in which keys that are struck fast would go to the page.
 * Not at once: what the focus is given back to is looked up first, when this commit ends. */
const focusFirst = (dialog: HTMLElement | null) =>
  queueMicrotask(() => dialog?.querySelector<HTMLElement>("[data-autofocus]")?.focus({ preventScroll: true }));

export function Dialog({ title, children, ...rest }: ModalRootProps & { title: string }) {
  return (
    <Modal.Root transitionProps={{ duration: 0 }} {...rest}>
      <Modal.Overlay />
      <Modal.Content ref={focusFirst}>
        <Group justify="space-between" p="md" pb={0}>
          <Modal.Title fw={600}>{title}</Modal.Title>
          <Modal.CloseButton aria-label="Close" />
        </Group>
        <Modal.Body pt="sm">{children}</Modal.Body>
      </Modal.Content>
    </Modal.Root>
  );
}
