"""Draws with OpenAI's own client (pip install openai): python openai_client.py http://127.0.0.1:7860/v1 [KEY]"""

import base64
import sys

import openai

client = openai.OpenAI(base_url=sys.argv[1], api_key=sys.argv[2] if len(sys.argv) > 2 else "none")
model = client.models.list().data[0].id
assert client.models.retrieve(model).id == model

answer = client.images.generate(model=model, prompt="a fox", n=2, size="128x128", extra_body={"seed": 1})
pictures = [base64.b64decode(each.b64_json) for each in answer.data]
assert len(pictures) == 2 and all(each.startswith(b"\x89PNG") for each in pictures)

seen = []
for event in client.images.generate(
    model=model, prompt="a fox", size="128x128", stream=True, partial_images=2, extra_body={"seed": 1, "steps": 8}
):
    seen.append(event.type)
assert seen[-1] == "image_generation.completed", seen
assert base64.b64decode(event.b64_json) == pictures[0]
assert seen.count("image_generation.partial_image") == 2, seen

picture = ("fox.png", pictures[0], "image/png")
answer = client.images.edit(model=model, image=picture, prompt="a fox on a red background", extra_body={"strength": 0.4})
assert base64.b64decode(answer.data[0].b64_json).startswith(b"\x89PNG")
answer = client.images.edit(model=model, image=picture, mask=picture, prompt="a cat", size="128x128", n=2)
assert len(answer.data) == 2
seen = [event.type for event in client.images.edit(model=model, image=picture, prompt="a fox", stream=True)]
assert seen[-1] == "image_edit.completed", seen
answer = client.images.create_variation(model=model, image=picture, n=2, size="128x128")
assert len(answer.data) == 2 and base64.b64decode(answer.data[0].b64_json).startswith(b"\x89PNG")

for wrong, error in [
    ({"model": "dall-e-3"}, openai.NotFoundError),
    ({"size": "100x100"}, openai.BadRequestError),
    ({"n": 1000}, openai.BadRequestError),
]:
    try:
        client.images.generate(**({"model": model, "prompt": "a fox"} | wrong))
        raise AssertionError(f"{wrong} was taken")
    except error as e:
        assert e.body["message"], e
print("openai", openai.__version__, "done:", model)
