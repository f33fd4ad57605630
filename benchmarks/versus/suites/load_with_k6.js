import http from "k6/http";

export const options = {
  vus: 4,
  duration: "8s",
  thresholds: { http_req_duration: ["p(99)<40"] },
};

export default function () {
  http.get(`${__ENV.BASE}/`);
}
