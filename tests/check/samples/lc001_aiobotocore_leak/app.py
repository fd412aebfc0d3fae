from aiobotocore.session import get_session


async def names() -> list[str]:
    session = get_session()
    client = session.create_client("s3")  # expect: LC001
    answer = await client.list_buckets()
    return [bucket["Name"] for bucket in answer["Buckets"]]
