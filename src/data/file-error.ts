/** What the system says about a file, in words. */

/** Reasons that users can do something about, by the system's code. */
const REASONS: Readonly<Record<string, string>> = {
  EACCES: "no permission",
  EDQUOT: "a used-up quota",
  EEXIST: "a file of that name",
  EISDIR: "a directory",
  ELOOP: "links that lead to themselves",
  EMFILE: "too many open files",
  ENAMETOOLONG: "a name that is too long",
  ENOENT: "no such file",
  ENOSPC: "a full disk",
  ENOTDIR: "a path through a file",
  ENOTEMPTY: "a directory that is not empty",
  EPERM: "no permission",
  EROFS: "a read-only file system",
};

/** True for an error of Node's file system. */
export function isFileError(error: unknown): error is NodeJS.ErrnoException {
  if (!(error instanceof Error)) return false;
  const { code } = error as NodeJS.ErrnoException;
  return code !== undefined && Object.hasOwn(REASONS, code);
}

/** Why a file could not be used: the words that follow `received`. */
export function fileProblem(error: unknown): string {
  return isFileError(error) ? REASONS[error.code!]! : String(error);
}
