from aiobotocore.session import get_session


async def names() -> list[str]:
    session = get_session()
    async with session.create_client("s3") as client:
        answer = await client.list_buckets()
    return [bucket["Name"] for bucket in answer["Buckets"]]
