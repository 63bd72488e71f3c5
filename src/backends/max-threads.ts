/** Most threads that can be asked for; products of the sizes here do not gain by more. */
export const MAX_THREADS = 16;
