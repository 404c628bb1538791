// Questions to the service. Errors are RFC 9457 problem details; their `detail` is written for people.

let csrf = null;

/** Sets what requests that change something must show; the service told it when somebody logged in. */
export function showToken(token) {
  csrf = token;
}

/** `again` is after how many seconds the service would be asked again, or null: Retry-After. */
export class ApiError extends Error {
  constructor(status, code, detail, again = null) {
    super(detail);
    this.status = status;
    this.code = code;
    this.again = again;
  }
}

const UNREACHABLE = "The service does not answer. Is it running?";

/** Has whoever looks log in: the session has ended, or its key has been revoked. */
export function askForLogin() {
  document.dispatchEvent(new CustomEvent("kneeoa:login"));
}

function seconds(header) {
  return header !== null && /^\d{1,5}$/.test(header) ? Number(header) : null;
}

async function problem(answer) {
  const again = seconds(answer.headers.get("Retry-After"));
  try {
    const { code, detail } = await answer.json();
    return new ApiError(answer.status, code, detail, again);
  } catch {
    return new ApiError(answer.status, "unknown", `The service answered with status ${answer.status}.`, again);
  }
}

/** Asks, and returns the answer; an answer that is an error is thrown. */
export async function ask(path, { method = "GET", json = undefined, signal = undefined } = {}) {
  const headers = {};
  if (json !== undefined) headers["Content-Type"] = "application/json";
  if (method !== "GET" && csrf !== null) headers["X-CSRF-Token"] = csrf;
  let answer;
  try {
    answer = await fetch(path, { method, headers, signal, body: json === undefined ? undefined : JSON.stringify(json) });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, "unreachable", UNREACHABLE);
  }
  if (!answer.ok) {
    const error = await problem(answer);
    if (error.status === 401 && path !== "/session") askForLogin();
    throw error;
  }
  return answer;
}

export async function get(path, signal) {
  return (await ask(path, { signal })).json();
}

export async function post(path, json) {
  return (await ask(path, { method: "POST", json })).json();
}

/**
 * Sends one film by STOW-RS; `progress` hears a share in [0, 1].
 * XMLHttpRequest, because fetch does not tell how far a body has come.
 */
export function sendFilm(file, progress) {
  const boundary = `kneeoa-${crypto.getRandomValues(new Uint32Array(4)).join("")}`;
  const head = `--${boundary}\r\nContent-Type: application/dicom\r\n\r\n`;
  const body = new Blob([head, file, `\r\n--${boundary}--\r\n`]);
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", "/dicomweb/studies");
    request.setRequestHeader("Content-Type", `multipart/related; type="application/dicom"; boundary=${boundary}`);
    if (csrf !== null) request.setRequestHeader("X-CSRF-Token", csrf);
    request.upload.addEventListener("progress", (event) => event.lengthComputable && progress(event.loaded / event.total));
    request.addEventListener("error", () => reject(new ApiError(0, "unreachable", UNREACHABLE)));
    request.addEventListener("load", () => {
      let told = {};
      try { told = JSON.parse(request.responseText); } catch { /* an answer without a body */ }
      const stored = told["00081199"]?.Value ?? [];
      if (stored.length) resolve(stored[0]["00081190"].Value[0].split("/").pop());
      else {
        if (request.status === 401) askForLogin();
        const unkept = request.status === 409 ? "This is no film that can be kept: send a DICOM object, a PNG or a JPEG." : `The service answered with status ${request.status}.`;
        reject(new ApiError(request.status, told.code ?? "not_stored", told.detail ?? unkept, seconds(request.getResponseHeader("Retry-After"))));
      }
    });
    request.send(body);
  });
}
