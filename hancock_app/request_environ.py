"""Keys of the WSGI environ under which the parts of the application share a request's state.

`edge` sets the first two before Flask sees the request, and reads all of them when it ends.
"""

from __future__ import annotations

REQUEST_ID = "hancock.request_id"
HEADERS = "hancock.headers"  # a list of headers that every response of this request gets
STREAMED = "hancock.streamed"  # present if the body is still being produced after the view returns
