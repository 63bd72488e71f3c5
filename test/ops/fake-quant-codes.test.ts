import { describeCodes } from "../helpers/fake-quant-codes.ts";

describeCodes(2 ** 14);
