/** A file on its way to the server, with how far it is: the one request that fetch cannot say this of. */
import { ApiError, ownHeaders, type Problem, type Schemas, signInAgain } from "./client";

/** Store a file as a document. Raises ApiError; `told` is given a share from 0 to 1. */
export function upload(file: File, told: (share: number) => void): Promise<Schemas["Document"]> {
  return new Promise((done, failed) => {
    const request = new XMLHttpRequest();
    request.open("POST", "/v1/documents");
    for (const [name, value] of Object.entries(ownHeaders("POST"))) request.setRequestHeader(name, value);
    request.responseType = "json";
    request.upload.onprogress = (event) => {
      if (event.lengthComputable) told(event.loaded / event.total);
    };
    request.onerror = () => failed(new ApiError(0, { title: "No answer", detail: "The server does not answer. Drop the file again." }));
    request.onload = () => {
      if (request.status === 201) return done(request.response as Schemas["Document"]);
      if (request.status === 401) signInAgain();
      failed(new ApiError(request.status, (request.response ?? {}) as Partial<Problem>));
    };
    const form = new FormData();
    form.set("file", file);
    request.send(form);
  });
}
