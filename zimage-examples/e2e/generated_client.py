"""Calls a running server with a client that openapi-python-client made of its own description.

pip install openapi-python-client ruff
openapi-python-client generate --url http://127.0.0.1:7860/openapi.json --output-path zimage_client --meta none
python3 generated_client.py http://127.0.0.1:7860
"""

import sys

sys.path.insert(0, ".")

import zimage_client.models as m  # noqa: E402
from zimage_client.api.images import edit_images, generate_images, list_models  # noqa: E402
from zimage_client.api.jobs import cancel_job, create_job, get_job, get_picture, watch_job  # noqa: E402
from zimage_client.api.prompts import lint_prompt, list_templates  # noqa: E402
from zimage_client.api.server import get_info, is_ready  # noqa: E402
from zimage_client.client import Client  # noqa: E402


def check(right, what):
    if not right:
        raise SystemExit("wrong: " + what)


client = Client(base_url=sys.argv[1], timeout=300)
info = get_info.sync(client=client)
check(is_ready.sync(client=client).status == "ok", "ready")
check(list_models.sync(client=client).data[0].id == info.model, "the model")
check("poster" in list_templates.sync(client=client).templates.to_dict(), "templates")
findings = lint_prompt.sync(client=client, body=m.LintRequest(prompt="a fox, masterpiece, best quality, 8k")).findings
check(findings[0].code == "QUALITY_PILE", "findings")

size = info.qualities["draft"]
images = generate_images.sync(
    client=client, body=m.ImagesRequest(prompt="a fox", size=f"{size}x{size}", seed=2**64 - 1, steps=2, n=2))
check(isinstance(images, m.ImagesResponse) and len(images.data) == 2, f"pictures, but {images}")
check(images.data[0].seed == 2**64 - 1, "a seed of 64 bits")
source = "data:image/png;base64," + images.data[0].b64_json
edited = edit_images.sync(client=client, body=m.EditsRequest(prompt="a cat", image=source, strength=0.5, steps=2))
check(edited.size == f"{size}x{size}", "a picture of the size of the one it starts from")

job = create_job.sync(
    client=client, body=m.JobRequest(prompt="a fox", image=source, extend=[0, 0, 16, 0], steps=2, previews=True))
check((job.width, job.height) == (size + 16, size), f"a job, but {job}")
events = watch_job.sync_detailed(id=job.id, client=client)
check(b"event: end" in events.content, "events")
job = get_job.sync(id=job.id, client=client)
check(job.state == "succeeded" and len(job.images) == 1, f"a job that is done, but {job}")
check(get_picture.sync_detailed(id=job.id, number=0, client=client).content.startswith(b"\x89PNG"), "its picture")
check(cancel_job.sync_detailed(id=job.id, client=client).status_code == 204, "cancelling")
error = generate_images.sync(client=client, body=m.ImagesRequest(prompt="a fox", width=100))
check(isinstance(error, m.Error) and error.error.param == "width", f"an error, but {error}")
print("all as it should be")
