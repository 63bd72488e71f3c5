/** CRC-32C, the checksum of TFRecord files and TensorFlow checkpoints. */

/** Remainders of one byte, polynomial 0x1EDC6F41 in reversed bit order. */
const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc;
});

/**
 * CRC-32C (Castagnoli) of `bytes`, an unsigned 32-bit integer.
 * @see RFC 3720, appendix B.4
 */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = TABLE[(crc ^ byte) & 0xff]! ^ (crc >>> 8);
  return ~crc >>> 0;
}

/**
 * The checksum as TFRecord stores it: rotated right by 15 bits plus 0xa282ead8, so that a record
 * that contains checksums has itself a sound one.
 * @see TensorFlow, tensorflow/core/lib/hash/crc32c.h
 */
export function maskedCrc32c(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}
