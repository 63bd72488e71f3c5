import { describeCodes } from "../helpers/fake-quant-codes.ts";

describeCodes(1_000_000);
